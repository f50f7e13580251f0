"""Classes of checks to subclass, one a kind of declaration; :mod:`mi.testing` hands their names on.

Every check is a method ``test_…`` whose docstring is its rule. A check that fails says in one sentence which
declaration broke the rule and how to mend it. Where a declaration is too broken for a check to say anything,
the check is skipped: another one has failed.
"""
