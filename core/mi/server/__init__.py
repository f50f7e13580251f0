"""The Bokeh application behind `mi serve`."""
