"""The model card of a version: card.json and card.html."""
