"""Where pictures come from.

``build(params, path=..., seed=..., roots=...)`` returns a ``stages.core.items.Source``: ``path`` is the user's file or
folder (``scenes`` needs none), ``seed`` the pipeline's seed, ``roots`` further folders that pictures may lie in. Whatever a
data set names is opened through ``_layout.Fence``, which holds it inside these folders. A source checks its layout in
``build`` and raises DataError in one line that says what was expected and what was found; it reads pictures lazily and
judges none of them: that is the gate's business.
"""
