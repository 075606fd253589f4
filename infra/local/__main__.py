"""`python -m infra.local` is `heliograph`."""

from infra.local.cli import main

if __name__ == "__main__":
    main()
