"""What the EPIC scripts share: event lists, selections, geometry and the products made of them."""
