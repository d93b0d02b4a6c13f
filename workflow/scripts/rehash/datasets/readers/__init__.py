"""Readers of raw formats, one module each; the config names the module, whose function `read` is called."""
