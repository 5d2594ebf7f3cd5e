"""Locust's own command with this package's locustfile, wherever that is installed.

python -m loadtest.locust_main --scenario steady --headless     # as locust -f loadtest/locustfile.py ...
"""

import sys

from locust.main import main

from loadtest.launch import LOCUSTFILE

if __name__ == "__main__":
    sys.argv[:] = ["locust", "-f", str(LOCUSTFILE), *sys.argv[1:]]
    main()
