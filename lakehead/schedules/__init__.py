"""Schedules: DAGs of Airflow, by its scheduler or here and now."""
