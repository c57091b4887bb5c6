"""COCO: annotations, masks and the folders made of them."""
