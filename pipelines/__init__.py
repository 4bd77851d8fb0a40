"""The only place that knows DVC, Prefect or MLflow."""
