"""Where pictures come from.

``build(params, path=..., seed=...)`` returns a ``stages.core.items.Source``: ``path`` is the user's file or folder
(``scenes`` needs none), ``seed`` the pipeline's seed. A source checks its layout in ``build`` and raises DataError in one
line that says what was expected and what was found; it reads pictures lazily and judges none of them: that is the gate's
business.
"""
