"""Operator notices: what an operator has to know is posted to ALERT_WEBHOOK_URL. The rules are `domain.notices`."""
