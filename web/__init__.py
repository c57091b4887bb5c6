"""Pages: a host that shows DIGITS extensions without DIGITS (`fcnkit preview`).

The host does what DIGITS does with an extension, step by step and with the same template context:
`extensions` loads them by their entry points, `visualize` carries one through a page of samples,
`datasets` makes datasets by data extensions. What an extension imports of DIGITS is stood in for by
`digits_stand_in`. Flask and Flask-WTF come with `pip install fcnkit[web]`.
"""
