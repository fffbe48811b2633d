/*
model: returns_rate
description: What share of the lines is taken back, by country and minute?
stream: orders
window: {tumble: 1 minute}
keys: [country]
output:
  table: marts.returns_rate
  columns:
    country: string
    lines: long
    returned: long
    rate: double
*/
SELECT
  country,
  COUNT(*) AS lines,
  SUM(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) AS returned,
  SUM(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) / COUNT(*) AS rate
FROM orders
GROUP BY country
