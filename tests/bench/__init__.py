"""Speed beside a rival in the same run; see ``make bench``."""
