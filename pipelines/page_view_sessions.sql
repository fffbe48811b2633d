/*
model: page_view_sessions
description: Which visits end in an order, and where do the others stop? A visit ends after 30 quiet seconds.
stream: page_views
window: {session: {gap: 30 seconds}}
keys: [session_id]
output:
  table: marts.page_view_sessions
  columns:
    session_id: string
    device: string
    came_from: string
    pages: long
    products: long
    reached_basket: boolean
    invoice: string
*/
SELECT
  session_id,
  MIN(device) AS device,
  MIN(referrer) AS came_from,
  COUNT(*) AS pages,
  COUNT(DISTINCT stock_code) AS products,
  COUNT(*) FILTER (WHERE page = 'basket') > 0 AS reached_basket,
  MAX(invoice) AS invoice -- Of the last page, where it is a checkout.
FROM page_views
GROUP BY session_id
