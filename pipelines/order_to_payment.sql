/*
model: order_to_payment
description: How long after an order line is it paid? Each line with the capture of its payment.
kind: join
streams: [orders, payments]
output:
  table: marts.order_to_payment
  columns:
    invoice: string
    stock_code: string
    payment_id: string
    method: string
    amount: decimal(12,3)
*/
SELECT
  o.invoice,
  o.stock_code,
  p.payment_id,
  p.method,
  p.amount
FROM orders AS o
JOIN payments AS p
  ON o.invoice = p.invoice
  AND p.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '1' HOUR
WHERE p.status = 'captured'
