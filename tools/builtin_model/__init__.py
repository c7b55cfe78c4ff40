"""How the built-in model is made: pictures, canvases, network, losses, training, export."""
