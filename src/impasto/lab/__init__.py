"""The lab: many paintings to compare, from a file that says what varies to a page that shows it.

`sweeps` and `recipes` say what is to be run, `running` and `crew` run it through the public
`Painter`, `notebook` keeps what came out, one JSON line a run, and `page` shows it.
"""
