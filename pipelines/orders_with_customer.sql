/*
model: orders_with_customer
description: Who bought? Each order line with its customer as they were at that moment.
kind: enrich
streams: [orders, customers]
output:
  table: marts.orders_with_customer
  columns:
    invoice: string
    stock_code: string
    customer_id: long
    segment: string
    newsletter: boolean
    line_total: decimal(23,3)
*/
SELECT
  o.invoice,
  o.stock_code,
  o.customer_id,
  c.segment,
  c.newsletter,
  o.quantity * o.price AS line_total
FROM orders AS o
LEFT JOIN customers FOR SYSTEM_TIME AS OF o.event_time AS c
  ON o.customer_id = c.customer_id
