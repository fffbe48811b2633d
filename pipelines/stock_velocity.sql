/*
model: stock_velocity
description: How fast does each product leave the shelf? Pieces sold in the last five minutes, each minute.
stream: orders
window: {hop: {size: 5 minutes, every: 1 minute}}
keys: [stock_code]
output:
  table: marts.stock_velocity
  columns:
    stock_code: string
    pieces: long
    largest: int
*/
SELECT
  stock_code,
  SUM(quantity) AS pieces,
  MAX(quantity) AS largest
FROM orders
WHERE status = 'placed'
GROUP BY stock_code
HAVING SUM(quantity) > 0
