/*
model: stock_velocity
description: Which products leave the shelf fast? Those that sold ten pieces or more in the last five minutes, each minute.
stream: orders
window: {hop: {size: 5 minutes, every: 1 minute}}
keys: [stock_code]
output:
  table: marts.stock_velocity
  columns:
    stock_code: string
    pieces: long
    pieces_per_minute: decimal(12,1)
    largest_line: int
*/
SELECT
  stock_code,
  SUM(quantity) AS pieces,
  SUM(quantity) * 0.2 AS pieces_per_minute,
  MAX(quantity) AS largest_line
FROM orders
WHERE status = 'placed' AND quantity > 0 -- Write-offs are no sales.
GROUP BY stock_code
HAVING SUM(quantity) >= 10
