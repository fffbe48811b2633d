/*
model: revenue_today
description: What has the day brought so far? The running total from midnight (UTC), hour by hour.
stream: orders
window: {cumulate: {size: 1 day, step: 1 hour}}
keys: []
output:
  table: marts.revenue_today
  columns:
    invoices: long
    revenue: decimal(38,3)
*/
SELECT
  COUNT(DISTINCT invoice) AS invoices,
  SUM(quantity * price) AS revenue
FROM orders
