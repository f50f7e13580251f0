"""A deliberately wrong plugin: one small wrong declaration for each check of the kit."""
