"""How the demo checkpoint and its LoRAs were made: see README.md here."""
