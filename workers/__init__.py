"""The processes that do the work: a Celery worker (`python -m workers`) and the dispatcher (`… -m workers.dispatcher`).

Rows are the truth and messages are hints (service/kit/work.py), so nothing here keeps state.
"""
