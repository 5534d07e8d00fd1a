"""Sphinx's settings for the website; course/site.py writes the pages and calls Sphinx."""

project = html_title = "Unified AI Curriculum"
extensions = ["myst_nb", "course.site"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
language = "en"

html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_copyright = html_show_sourcelink = html_show_sphinx = False
html_use_index = html_show_search_summary = False  # a summary would be fetched, which a page from disk cannot
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
