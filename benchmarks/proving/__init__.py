"""The proof of the packs: their scenarios played to real servers that run their rules and routes."""
