"""The command line: one file for each verb, which parses, calls one public function, prints."""
