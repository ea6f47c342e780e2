"""The kinds of channels, one file each; `sender_list.py` lists them."""
