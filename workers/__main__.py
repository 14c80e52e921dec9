"""Start a worker: `python -m workers --concurrency 4`. Further arguments go to Celery's own worker command."""

import sys

from workers.app import app

if __name__ == "__main__":
    app.worker_main(["worker", "--without-gossip", "--without-mingle", "--without-heartbeat", *sys.argv[1:]])
