"""The comparison of the three works: codes of any origin, measured by how well a search by them finds a class again.

Each source of codes (`kinds`) is an encoder of images (`rehash.encoders`); `encode` writes the codes of queries and of
a gallery (`rehash.code_files`), `measures` and `retrieve` measure them.
"""
