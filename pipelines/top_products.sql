/*
model: top_products
description: Which ten products bring the most, minute by minute?
stream: orders
window: {tumble: 1 minute}
keys: [stock_code]
output:
  table: marts.top_products
  columns:
    stock_code: string
    product: string
    pieces: long
    revenue: decimal(38,3)
*/
SELECT
  stock_code,
  MAX(description) AS product,
  SUM(quantity) AS pieces,
  SUM(quantity * price) AS revenue
FROM orders
WHERE stock_code NOT IN ('POST', 'DOT', 'M') -- Postage and what is typed in by hand.
GROUP BY stock_code
ORDER BY revenue DESC
LIMIT 10
