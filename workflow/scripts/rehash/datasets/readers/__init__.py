"""One module per raw format; each has one public function `read`, found by the name that the config gives."""
