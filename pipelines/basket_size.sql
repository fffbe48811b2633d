/*
model: basket_size
description: How large is a basket just now? The average of the last minute, every ten seconds.
stream: orders
window: {hop: {size: 1 minute, every: 10 seconds}}
keys: [country]
output:
  table: marts.basket_size
  columns:
    country: string
    baskets: long
    pieces: double
    worth: double
*/
SELECT
  country,
  COUNT(DISTINCT invoice) AS baskets,
  SUM(quantity) / COUNT(DISTINCT invoice) AS pieces,
  SUM(quantity * price) / COUNT(DISTINCT invoice) AS worth
FROM orders
WHERE status = 'placed' AND quantity > 0 -- Write-offs are no sales.
GROUP BY country
