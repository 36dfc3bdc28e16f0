"""Latent in, latent out; knows nothing of prompts, files or PIL."""
