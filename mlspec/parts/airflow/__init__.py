"""`airflow`: a DAG."""
