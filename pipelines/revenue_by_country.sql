/*
model: revenue_by_country
description: What does each country spend? By ten seconds of event time; cancellations take away.
stream: orders
window: {tumble: 10 seconds}
keys: [country]
output:
  table: marts.revenue_by_country
  columns:
    country: string
    lines: long
    units: long
    revenue: decimal(38,3)
*/
SELECT
  country,
  COUNT(*) AS lines,
  SUM(quantity) AS units,
  SUM(quantity * price) AS revenue
FROM orders
GROUP BY country
