"""What the gate asks, in SQL: windows, aggregates and comparisons only, so that another engine can answer the same text."""

# One row per change of one field, with the time and value of the next change. $cutoff: nothing later exists.
CHANGES = """
SELECT opportunity_id, field, old_value, new_value, changed_at, changed_by, change_no,
       lead(changed_at) OVER following AS next_at,
       lead(new_value) OVER following AS next_value
FROM opportunity_history
WHERE changed_at < $cutoff
WINDOW following AS (PARTITION BY opportunity_id, field ORDER BY changed_at, change_no)
"""

# One row per asked day and opportunity: the value of every tracked field at the end of that day.
STATES = f"""
SELECT days.day, changes.opportunity_id,
       max(CASE WHEN field = 'stage' THEN new_value END) AS stage,
       max(CASE WHEN field = 'stage' THEN changed_at END) AS stage_since,
       max(CASE WHEN field = 'amount' THEN new_value END) AS amount,
       max(CASE WHEN field = 'close_date' THEN new_value END) AS close_date,
       max(CASE WHEN field = 'forecast_category' THEN new_value END) AS forecast_category,
       max(CASE WHEN field = 'owner_id' THEN new_value END) AS owner_id
FROM days
JOIN ({CHANGES}) AS changes
  ON changes.changed_at < days.cutoff AND (changes.next_at IS NULL OR changes.next_at >= days.cutoff)
GROUP BY days.day, changes.opportunity_id
"""

# One row per asked day and opportunity known by then: `status`, the fixed columns, every tracked field as the history has it
# (h_…) and as the export has it (c_…). A deal without a stage history is placed by its creation and close dates. An exported
# value holds on a past day only when the deal had closed by then or the day is the last one the data cover (`is_certain`);
# otherwise nobody knows since when it holds, and it is hidden.
KNOWN = f"""
SELECT days.day, {{columns}}, logged.opportunity_id IS NOT NULL AS is_logged, states.stage_since,
       CASE WHEN logged.opportunity_id IS NOT NULL THEN coalesce(stages.status, 'open')
            WHEN o.close_date <= days.day OR (o.close_date IS NULL AND days.is_last) THEN o.status
            ELSE 'open' END AS status,
       CASE WHEN logged.opportunity_id IS NOT NULL THEN days.is_last OR stages.status <> 'open'
            WHEN o.status = 'open' OR o.close_date IS NULL THEN days.is_last
            ELSE o.close_date <= days.day END AS is_certain,
       states.stage AS h_stage, CAST(states.amount AS DECIMAL(18, 2)) AS h_amount,
       CAST(states.close_date AS DATE) AS h_close_date,
       states.forecast_category AS h_forecast_category, states.owner_id AS h_owner_id
FROM days
CROSS JOIN opportunities AS o
LEFT JOIN (SELECT DISTINCT opportunity_id FROM opportunity_history WHERE field = 'stage') AS logged
  ON logged.opportunity_id = o.opportunity_id
LEFT JOIN ({STATES}) AS states ON states.day = days.day AND states.opportunity_id = o.opportunity_id
LEFT JOIN stages ON stages.stage = states.stage
WHERE (logged.opportunity_id IS NOT NULL AND states.stage IS NOT NULL)
   OR (logged.opportunity_id IS NULL AND (o.created_at < days.cutoff OR (o.created_at IS NULL AND days.is_last)))
"""
OPPORTUNITIES = """
SELECT day, opportunity_id, account_id, {owner_id} AS owner_id, name, type, product_id, source,
       {amount} AS amount, currency, {stage} AS stage, status,
       {forecast_category} AS forecast_category, created_at, {close_date} AS close_date,
       CASE WHEN status = 'lost' THEN lost_reason END AS lost_reason, stage_since{own}
FROM ({known}) AS known
"""
FIXED = (
    "opportunity_id",
    "account_id",
    "name",
    "type",
    "product_id",
    "source",
    "currency",
    "created_at",
    "lost_reason",
)

# One row per currency and the months its rate holds: from `month` up to `until` (missing: still).
RATES = """
SELECT currency, month, rate, lead(month) OVER (PARTITION BY currency ORDER BY month) AS until FROM fx_rates
"""
# The amounts of opportunities in the company's currency: of a closed deal at the rate of its close date, of an open one at the
# rate of the day asked. No rate, no amount.
CONVERTED = f"""
SELECT {{columns}},
       CASE WHEN deals.currency = {{currency}} THEN deals.amount
            ELSE CAST(round(deals.amount * rates.rate, 2) AS DECIMAL(18, 2)) END AS amount,
       {{currency}} AS currency,
       CAST(deals.amount AS VARCHAR) AS amount_written, deals.currency AS currency_written
FROM (SELECT *, CASE WHEN status <> 'open' AND close_date < day THEN close_date ELSE day END AS dated FROM ({{deals}}) AS known)
     AS deals
LEFT JOIN ({RATES}) AS rates
  ON rates.currency = deals.currency AND rates.month <= deals.dated AND (rates.until IS NULL OR deals.dated < rates.until)
ORDER BY deals.day, deals.opportunity_id
"""
