/*
model: failed_payments
description: Who cannot pay? An alert when a customer's payments fail three times in a row within a minute.
stream: payments
sequence:
  by: [customer_id]
  steps: [{name: failed, where: status = 'failed', times: 3}]
  within: 1 minute
alert: {topic: alerts.failed_payments}
output:
  table: marts.failed_payments
  columns:
    customer_id: long
    invoice: string
    method: string
    amount: decimal(12,3)
    failure_reason: string
*/
SELECT
  customer_id,
  invoice,
  method,
  amount,
  failure_reason
FROM payments
WHERE customer_id IS NOT NULL -- Buyers without an account are not one customer.
