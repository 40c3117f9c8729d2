"""The query model: what is measured, shown and alerted on, as values; and renderers to ES|QL, PromQL and SQL. Pure."""
