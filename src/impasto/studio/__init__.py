"""The studio: one page in the browser and one HTTP API, on this computer.

`app` has the routes, `guards` what stands before them, `store` what is kept, `crew` the processes
that paint and `worker` what runs in them. The page itself lies in `page/`.
"""
