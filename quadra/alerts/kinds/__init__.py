"""The kinds of conditions, one file each; `kind_list.py` lists them."""
