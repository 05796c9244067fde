{#- Columns of each kind of Stripe object, read from its JSON: today's shape first, then the older ones (STRIPE.md).
    Bronze uses them on list records, silver on the newest snapshot from records and events together. -#}

{%- macro stripe_head(json) %}
    {{ text_at(json, 'id') }} as object_id,
    {{ flag_at(json, 'livemode') }} as livemode,
    coalesce({{ flag_at(json, 'deleted') }}, false) as is_tombstone,
    {{ instant_at(json, 'created') }} as created_at
{%- endmacro -%}

{#- What landing says of a record; `raw_json` keeps the object for silver. -#}
{%- macro landing_columns() %}
    _raw as raw_json,
    cast(_extracted_at as timestamp) as extracted_at,
    _load_id as load_id
{%- endmacro -%}

{%- macro stripe_customer(json) %}
    {{ text_at(json, 'metadata.account_id') }} as account_id,
    {{ text_at(json, 'email') }} as email,
    {{ text_at(json, 'name') }} as customer_name,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ text_at(json, 'address.country') }} as country,
    {{ flag_at(json, 'delinquent') }} as is_delinquent,
    {{ whole_at(json, 'balance') }} as balance_minor
{%- endmacro -%}

{%- macro stripe_product(json) %}
    {{ text_at(json, 'name') }} as product_name,
    {{ text_at(json, 'metadata.tier') }} as tier,
    {{ flag_at(json, 'active') }} as is_active
{%- endmacro -%}

{%- macro stripe_price(json) %}
    {{ id_at(json, 'product') }} as product_id,
    upper({{ text_at(json, 'currency') }}) as currency,
    coalesce(
        {{ decimal_at(json, 'unit_amount_decimal') }}, {{ decimal_at(json, 'unit_amount') }},
        {{ decimal_at(json, 'amount_decimal') }}, {{ decimal_at(json, 'amount') }}
    ) as unit_amount_minor,
    coalesce({{ text_at(json, 'recurring.interval') }}, {{ text_at(json, 'interval') }}) as recurring_interval,
    coalesce({{ whole_at(json, 'recurring.interval_count') }}, {{ whole_at(json, 'interval_count') }}) as interval_count,
    coalesce({{ text_at(json, 'recurring.usage_type') }}, {{ text_at(json, 'usage_type') }}) as usage_type,
    coalesce({{ text_at(json, 'type') }}, 'recurring') as price_type,
    {{ text_at(json, 'billing_scheme') }} as billing_scheme,
    {{ text_at(json, 'tiers_mode') }} as tiers_mode,
    {{ json_below(json, 'tiers') }} as tiers_json,
    {{ json_below(json, 'currency_options') }} as currency_options_json,
    coalesce({{ whole_at(json, 'transform_quantity.divide_by') }}, {{ whole_at(json, 'transform_usage.divide_by') }}) as divide_by,
    coalesce({{ text_at(json, 'transform_quantity.round') }}, {{ text_at(json, 'transform_usage.round') }}) as round_direction,
    {{ text_at(json, 'tax_behavior') }} as tax_behavior,
    {{ text_at(json, 'nickname') }} as nickname,
    {{ text_at(json, 'lookup_key') }} as lookup_key,
    {{ flag_at(json, 'active') }} as is_active
{%- endmacro -%}

{%- macro stripe_coupon(json) %}
    {{ decimal_at(json, 'percent_off', 'decimal(10, 6)') }} as percent_off,
    {{ whole_at(json, 'amount_off') }} as amount_off_minor,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ json_below(json, 'currency_options') }} as currency_options_json,
    {{ text_at(json, 'duration') }} as duration,
    {{ whole_at(json, 'duration_in_months') }} as duration_in_months,
    {{ json_below(json, 'applies_to.products') }} as products_json
{%- endmacro -%}

{%- macro stripe_promotion_code(json) %}
    {{ text_at(json, 'code') }} as code,
    coalesce({{ id_at(json, 'promotion.coupon') }}, {{ id_at(json, 'coupon') }}) as coupon_id,
    {{ flag_at(json, 'active') }} as is_active
{%- endmacro -%}

{%- macro stripe_tax_rate(json) %}
    {{ decimal_at(json, 'percentage', 'decimal(12, 6)') }} as percentage,
    {{ flag_at(json, 'inclusive') }} as is_inclusive,
    {{ text_at(json, 'display_name') }} as display_name
{%- endmacro -%}

{%- macro stripe_subscription(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    {{ text_at(json, 'status') }} as status,
    -- before 2022 a subscription named no currency: its items' prices did
    upper(coalesce(
        {{ text_at(json, 'currency') }},
        {{ text_at(json, 'items.data[0].price.currency') }},
        {{ text_at(json, 'items.data[0].plan.currency') }}
    )) as currency,
    {{ instant_at(json, 'start_date') }} as started_at,
    {{ instant_at(json, 'trial_start') }} as trial_start_at,
    {{ instant_at(json, 'trial_end') }} as trial_end_at,
    {{ instant_at(json, 'canceled_at') }} as canceled_at,
    {{ instant_at(json, 'cancel_at') }} as cancel_at,
    coalesce({{ flag_at(json, 'cancel_at_period_end') }}, false) as is_cancel_at_period_end,
    {{ instant_at(json, 'ended_at') }} as ended_at,
    {{ text_at(json, 'cancellation_details.reason') }} as cancellation_reason,
    {{ text_at(json, 'pause_collection.behavior') }} as pause_behavior,
    {{ instant_at(json, 'pause_collection.resumes_at') }} as pause_resumes_at,
    {{ instant_at(json, 'status_details.paused.transitioned_at') }} as paused_at,
    coalesce({{ flag_at(json, 'automatic_tax.enabled') }}, false) as is_automatic_tax,
    coalesce(
        {{ instant_at(json, 'current_period_start') }}, {{ instant_at(json, 'items.data[0].current_period_start') }}
    ) as current_period_start_at,
    coalesce(
        {{ instant_at(json, 'current_period_end') }}, {{ instant_at(json, 'items.data[0].current_period_end') }}
    ) as current_period_end_at,
    {{ text_at(json, 'collection_method') }} as collection_method,
    coalesce({{ flag_at(json, 'items.has_more') }}, false) as has_more_items,
    {{ json_below(json, 'items.data') }} as items_json,
    {{ json_below(json, 'discounts') }} as discounts_json,
    {{ json_below(json, 'discount') }} as discount_json,
    {{ json_below(json, 'default_tax_rates') }} as default_tax_rates_json
{%- endmacro -%}

{%- macro stripe_invoice(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    coalesce({{ id_at(json, 'parent.subscription_details.subscription') }}, {{ id_at(json, 'subscription') }}) as subscription_id,
    {{ text_at(json, 'status') }} as status,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ text_at(json, 'number') }} as invoice_number,
    {{ text_at(json, 'billing_reason') }} as billing_reason,
    {{ whole_at(json, 'total') }} as total_minor,
    coalesce(
        {{ whole_at(json, 'total_excluding_tax') }},
        {{ whole_at(json, 'total') }} - case
            when {{ json_below(json, 'total_taxes') }} is not null then {{ sum_below(json, 'total_taxes', 'amount') }}
            when {{ json_below(json, 'total_tax_amounts') }} is not null then {{ sum_below(json, 'total_tax_amounts', 'amount') }}
            else coalesce({{ whole_at(json, 'tax') }}, 0)
        end
    ) as total_excluding_tax_minor,
    {{ whole_at(json, 'amount_due') }} as amount_due_minor,
    {{ whole_at(json, 'amount_paid') }} as amount_paid_minor,
    {{ whole_at(json, 'amount_remaining') }} as amount_remaining_minor,
    {{ whole_at(json, 'attempt_count') }} as attempt_count,
    {{ instant_at(json, 'next_payment_attempt') }} as next_attempt_at,
    -- the oldest invoices name it billing
    coalesce({{ text_at(json, 'collection_method') }}, {{ text_at(json, 'billing') }}) as collection_method,
    {{ instant_at(json, 'due_date') }} as due_at,
    {{ instant_at(json, 'status_transitions.finalized_at') }} as finalized_at,
    {{ instant_at(json, 'status_transitions.paid_at') }} as paid_at,
    {{ instant_at(json, 'status_transitions.voided_at') }} as voided_at,
    {{ instant_at(json, 'status_transitions.marked_uncollectible_at') }} as marked_uncollectible_at,
    {{ instant_at(json, 'period_start') }} as period_start_at,
    {{ instant_at(json, 'period_end') }} as period_end_at,
    coalesce({{ flag_at(json, 'lines.has_more') }}, false) as has_more_lines,
    {{ json_below(json, 'lines.data') }} as lines_json,
    {{ json_below(json, 'payments.data') }} as payments_json,
    {{ json_below(json, 'discounts') }} as discounts_json,
    {{ id_at(json, 'charge') }} as charge_id,
    {{ id_at(json, 'payment_intent') }} as payment_intent_id
{%- endmacro -%}

{#- A line of an invoice (an element of `lines.data`). -#}
{%- macro stripe_invoice_line(json) %}
    {{ text_at(json, 'id') }} as invoice_line_id,
    {{ whole_at(json, 'amount') }} as amount_minor,
    {{ sum_below(json, 'discount_amounts', 'amount') }} as discount_minor,
    case
        when {{ json_below(json, 'taxes') }} is not null then {{ sum_below(json, 'taxes', 'amount', 'tax_behavior', 'inclusive') }}
        else {{ sum_below(json, 'tax_amounts', 'amount', 'inclusive', 'true') }}
    end as inclusive_tax_minor,
    case
        when {{ json_below(json, 'taxes') }} is not null then {{ sum_below(json, 'taxes', 'amount') }}
        else {{ sum_below(json, 'tax_amounts', 'amount') }}
    end as tax_minor,
    coalesce({{ decimal_at(json, 'quantity_decimal') }}, {{ decimal_at(json, 'quantity') }}) as quantity,
    coalesce(
        {{ id_at(json, 'pricing.price_details.price') }}, {{ id_at(json, 'price') }}, {{ id_at(json, 'plan') }}
    ) as price_id,
    coalesce({{ text_at(json, 'price.recurring.usage_type') }}, {{ text_at(json, 'plan.usage_type') }}) as embedded_usage_type,
    coalesce(
        {{ text_at(json, 'parent.subscription_item_details.subscription_item') }}, {{ id_at(json, 'subscription_item') }}
    ) as subscription_item_id,
    {#- the oldest lines name a subscription, and none of its items #}
    {{ text_at(json, 'type') }} as line_type,
    coalesce(
        {{ text_at(json, 'parent.subscription_item_details.subscription') }},
        {{ text_at(json, 'parent.invoice_item_details.subscription') }},
        {{ id_at(json, 'subscription') }}
    ) as line_subscription_id,
    coalesce(
        {{ flag_at(json, 'parent.subscription_item_details.proration') }},
        {{ flag_at(json, 'parent.invoice_item_details.proration') }},
        {{ flag_at(json, 'proration') }},
        false
    ) as is_proration,
    coalesce(
        {{ text_at(json, 'parent.invoice_item_details.invoice_item') }},
        {{ text_at(json, 'parent.subscription_item_details.invoice_item') }},
        {{ id_at(json, 'invoice_item') }}
    ) as invoice_item_id,
    {{ text_at(json, 'description') }} as line_description,
    {{ instant_at(json, 'period.start') }} as period_start_at,
    {{ instant_at(json, 'period.end') }} as period_end_at,
    coalesce({{ json_below(json, 'taxes') }}, {{ json_below(json, 'tax_amounts') }}) as taxes_json,
    {{ json_below(json, 'discount_amounts') }} as discount_amounts_json
{%- endmacro -%}

{%- macro stripe_invoice_payment(json) %}
    {{ text_at(json, 'status') }} as status,
    {{ id_at(json, 'payment.charge') }} as charge_id,
    {{ id_at(json, 'payment.payment_intent') }} as payment_intent_id,
    {{ whole_at(json, 'amount_paid') }} as paid_minor
{%- endmacro -%}

{%- macro stripe_subscription_item(json) %}
    {{ text_at(json, 'id') }} as subscription_item_id,
    coalesce({{ id_at(json, 'price') }}, {{ id_at(json, 'plan') }}) as price_id,
    {{ whole_at(json, 'quantity') }} as quantity,
    {{ json_below(json, 'discounts') }} as discounts_json,
    {{ json_below(json, 'tax_rates') }} as tax_rates_json,
    case
        when left({{ text_at(json, 'price') }}, 1) = '{' then {{ text_at(json, 'price') }}
        when left({{ text_at(json, 'plan') }}, 1) = '{' then {{ text_at(json, 'plan') }}
    end as embedded_price_json,
    {{ instant_at(json, 'current_trial.start_date') }} as trial_start_at,
    {{ instant_at(json, 'current_trial.end_date') }} as trial_end_at,
    {{ instant_at(json, 'created') }} as created_at
{%- endmacro -%}

{%- macro stripe_invoice_item(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    {{ id_at(json, 'invoice') }} as invoice_id,
    coalesce({{ id_at(json, 'parent.subscription_details.subscription') }}, {{ id_at(json, 'subscription') }}) as subscription_id,
    coalesce(
        {{ id_at(json, 'parent.subscription_details.subscription_item') }}, {{ id_at(json, 'subscription_item') }}
    ) as subscription_item_id,
    coalesce(
        {{ id_at(json, 'pricing.price_details.price') }}, {{ id_at(json, 'price') }}, {{ id_at(json, 'plan') }}
    ) as price_id,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor,
    coalesce({{ decimal_at(json, 'quantity_decimal') }}, {{ decimal_at(json, 'quantity') }}) as quantity,
    coalesce({{ flag_at(json, 'proration') }}, false) as is_proration,
    {{ instant_at(json, 'period.start') }} as period_start_at,
    {{ instant_at(json, 'period.end') }} as period_end_at,
    {{ instant_at(json, 'date') }} as invoiced_at
{%- endmacro -%}

{%- macro stripe_charge(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    {{ id_at(json, 'invoice') }} as invoice_id,
    {{ id_at(json, 'payment_intent') }} as payment_intent_id,
    {{ id_at(json, 'balance_transaction') }} as balance_transaction_id,
    {{ text_at(json, 'status') }} as status,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor,
    {{ whole_at(json, 'amount_captured') }} as amount_captured_minor,
    {{ whole_at(json, 'amount_refunded') }} as amount_refunded_minor,
    {{ text_at(json, 'failure_code') }} as failure_code,
    coalesce({{ flag_at(json, 'paid') }}, false) as is_paid
{%- endmacro -%}

{%- macro stripe_refund(json) %}
    {{ id_at(json, 'charge') }} as charge_id,
    {{ id_at(json, 'payment_intent') }} as payment_intent_id,
    {{ id_at(json, 'balance_transaction') }} as balance_transaction_id,
    {{ text_at(json, 'status') }} as status,
    {{ text_at(json, 'reason') }} as reason,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor
{%- endmacro -%}

{%- macro stripe_credit_note(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    {{ id_at(json, 'invoice') }} as invoice_id,
    {{ text_at(json, 'status') }} as status,
    {{ text_at(json, 'type') }} as credit_note_type,
    upper({{ text_at(json, 'currency') }}) as currency,
    coalesce({{ whole_at(json, 'total') }}, {{ whole_at(json, 'amount') }}) as total_minor,
    coalesce(
        {{ whole_at(json, 'total_excluding_tax') }},
        {{ whole_at(json, 'total') }} - case
            when {{ json_below(json, 'total_taxes') }} is not null then {{ sum_below(json, 'total_taxes', 'amount') }}
            else {{ sum_below(json, 'tax_amounts', 'amount') }}
        end
    ) as total_excluding_tax_minor,
    {{ whole_at(json, 'pre_payment_amount') }} as pre_payment_minor,
    {{ whole_at(json, 'post_payment_amount') }} as post_payment_minor,
    {{ instant_at(json, 'voided_at') }} as voided_at,
    coalesce({{ flag_at(json, 'lines.has_more') }}, false) as has_more_lines,
    {{ json_below(json, 'lines.data') }} as lines_json,
    {{ json_below(json, 'refunds') }} as refunds_json,
    {{ id_at(json, 'refund') }} as refund_id
{%- endmacro -%}

{#- A line of a credit note (an element of `lines.data`). -#}
{%- macro stripe_credit_note_line(json) %}
    {{ text_at(json, 'id') }} as credit_note_line_id,
    {{ text_at(json, 'type') }} as line_type,
    {{ id_at(json, 'invoice_line_item') }} as invoice_line_id,
    {{ whole_at(json, 'amount') }} as amount_minor,
    {{ sum_below(json, 'discount_amounts', 'amount') }} as discount_minor,
    case
        when {{ json_below(json, 'taxes') }} is not null then {{ sum_below(json, 'taxes', 'amount', 'tax_behavior', 'inclusive') }}
        else {{ sum_below(json, 'tax_amounts', 'amount', 'inclusive', 'true') }}
    end as inclusive_tax_minor
{%- endmacro -%}

{%- macro stripe_dispute(json) %}
    {{ id_at(json, 'charge') }} as charge_id,
    {{ id_at(json, 'payment_intent') }} as payment_intent_id,
    {{ text_at(json, 'status') }} as status,
    {{ text_at(json, 'reason') }} as reason,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor
{%- endmacro -%}

{%- macro stripe_payout(json) %}
    {{ text_at(json, 'status') }} as status,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor,
    coalesce({{ flag_at(json, 'automatic') }}, false) as is_automatic,
    {{ text_at(json, 'reconciliation_status') }} as reconciliation_status,
    {{ id_at(json, 'balance_transaction') }} as balance_transaction_id,
    {{ id_at(json, 'failure_balance_transaction') }} as failure_balance_transaction_id,
    {{ text_at(json, 'failure_code') }} as failure_code,
    {{ instant_at(json, 'arrival_date') }} as arrives_at
{%- endmacro -%}

{#- What an automatic payout paid out, its own transaction included: the connector's rows. -#}
{%- macro stripe_payout_transaction(json) %}
    {{ id_at(json, 'payout') }} as payout_id,
    {{ id_at(json, 'balance_transaction') }} as balance_transaction_id,
    {{ text_at(json, 'type') }} as transaction_type,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'net') }} as net_minor
{%- endmacro -%}

{%- macro stripe_subscription_schedule(json) %}
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    coalesce({{ id_at(json, 'subscription') }}, {{ id_at(json, 'released_subscription') }}) as subscription_id,
    {{ text_at(json, 'status') }} as status,
    {{ text_at(json, 'end_behavior') }} as end_behavior,
    {{ instant_at(json, 'current_phase.start_date') }} as current_phase_start_at,
    {{ instant_at(json, 'current_phase.end_date') }} as current_phase_end_at,
    {{ instant_at(json, 'canceled_at') }} as canceled_at,
    {{ instant_at(json, 'completed_at') }} as completed_at,
    {{ instant_at(json, 'released_at') }} as released_at,
    {{ json_below(json, 'phases') }} as phases_json
{%- endmacro -%}

{%- macro stripe_balance_transaction(json) %}
    {{ text_at(json, 'type') }} as transaction_type,
    {{ text_at(json, 'reporting_category') }} as reporting_category,
    upper({{ text_at(json, 'currency') }}) as currency,
    {{ whole_at(json, 'amount') }} as amount_minor,
    {{ whole_at(json, 'fee') }} as fee_minor,
    {{ whole_at(json, 'net') }} as net_minor,
    {{ text_at(json, 'status') }} as status,
    {{ text_at(json, 'description') }} as transaction_description,
    {{ id_at(json, 'source') }} as source_id,
    {{ instant_at(json, 'available_on') }} as available_at
{%- endmacro -%}

{#- The columns of an event around its object, which bronze opens level by level. -#}
{%- macro stripe_event(json) %}
    {{ text_at(json, 'type') }} as event_type,
    {{ text_at(json, 'api_version') }} as api_version
{%- endmacro -%}

{#- A discount, wherever it stands: today's `source.coupon` is an id, the older `coupon` an object. -#}
{%- macro stripe_discount(json) %}
    {{ text_at(json, 'id') }} as discount_id,
    coalesce({{ id_at(json, 'source.coupon') }}, {{ id_at(json, 'coupon') }}) as coupon_id,
    case
        when left({{ text_at(json, 'source.coupon') }}, 1) = '{' then {{ text_at(json, 'source.coupon') }}
        when left({{ text_at(json, 'coupon') }}, 1) = '{' then {{ text_at(json, 'coupon') }}
    end as embedded_coupon_json,
    {{ id_at(json, 'customer') }} as stripe_customer_id,
    {{ id_at(json, 'subscription') }} as subscription_id,
    {{ id_at(json, 'subscription_item') }} as subscription_item_id,
    coalesce({{ id_at(json, 'invoice') }}, {{ id_at(json, 'invoice_item') }}) as one_off_id,
    {{ instant_at(json, 'start') }} as start_at,
    {{ instant_at(json, 'end') }} as end_at
{%- endmacro -%}
