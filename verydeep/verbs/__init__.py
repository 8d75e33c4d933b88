"""One public function for each verb: from data to a trained thing, and from that to answers."""
