"""Master and workers: Locust's own command with this package's locustfile, wherever that is installed.

python -m loadtest.engine --scenario steady --headless     # as locust -f loadtest/locustfile.py ...
"""

import sys

from locust.main import main

from loadtest.engine.locust_process import LOCUSTFILE

if __name__ == "__main__":
    sys.argv[:] = ["locust", "-f", str(LOCUSTFILE), *sys.argv[1:]]
    main()
