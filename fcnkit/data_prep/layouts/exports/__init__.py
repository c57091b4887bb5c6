"""Datasets as annotation tools export them: what a source is, and how it becomes pairs.

A layout is a module with a `recognise(catalogue, options)` that looks at names and small files only
and returns a `Plan`, or None for what is of another layout. `write_plan` then extracts any plan.
"""
