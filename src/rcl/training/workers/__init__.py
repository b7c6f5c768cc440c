"""Programs of their own that ``rcl serve`` starts: ``python -m rcl.training.workers.fit``, ``….features``, ``….curve``.

They report in lines of JSON on stdout, give way to whatever else the machine does, and end with the process that
started them.
"""
