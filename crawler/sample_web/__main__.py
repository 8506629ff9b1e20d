"""`python -m crawler.sample_web`: serves the sample outlets until Ctrl-C. Nothing else."""

from crawler.sample_web.server import main

if __name__ == "__main__":
    main()
