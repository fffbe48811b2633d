/*
model: order_to_payment
description: How soon is an order paid? Each order line with the payment that was captured within an hour.
kind: join
streams: [orders, payments]
output:
  table: marts.order_to_payment
  columns:
    invoice: string
    stock_code: string
    line_total: decimal(23,3)
    payment_id: string
    method: string
    paid_within: string
*/
SELECT
  o.invoice,
  o.stock_code,
  o.quantity * o.price AS line_total,
  p.payment_id,
  p.method,
  CASE
    WHEN p.event_time <= o.event_time + INTERVAL '5' MINUTE THEN '5 minutes'
    WHEN p.event_time <= o.event_time + INTERVAL '30' MINUTE THEN '30 minutes'
    ELSE '1 hour'
  END AS paid_within
FROM orders AS o
JOIN payments AS p
  ON o.invoice = p.invoice
  AND p.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '1' HOUR
WHERE p.status = 'captured'
