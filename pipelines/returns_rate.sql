/*
model: returns_rate
description: What share of the order lines is taken back, and what does it cost? By country and minute.
stream: orders
window: {tumble: 1 minute}
keys: [country]
expect: [rate BETWEEN 0 AND 1, returned <= lines]
output:
  table: marts.returns_rate
  columns:
    country: string
    lines: long
    returned: long
    rate: double
    given_back: decimal(38,3)
*/
SELECT
  country,
  COUNT(*) AS lines,
  COUNT(*) FILTER (WHERE status = 'cancelled') AS returned,
  COUNT(*) FILTER (WHERE status = 'cancelled') / COUNT(*) AS rate,
  -COALESCE(SUM(quantity * price) FILTER (WHERE status = 'cancelled'), 0) AS given_back
FROM orders
GROUP BY country
