"""Outgoing HTTP to addresses that users give: checked before the first byte leaves."""
