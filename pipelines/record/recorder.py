"""The recorder: one detached process per execution that ships its journals to MLflow and closes it at the end."""


def ensure(execution: str) -> None:
    """Start the execution's recorder unless it runs."""
