/*
model: failed_payments
description: Whose payments fail? An alert when three of a customer fail in a row within a minute.
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
    failure_reason: string
*/
SELECT
  customer_id,
  invoice,
  method,
  failure_reason
FROM payments
WHERE customer_id IS NOT NULL
