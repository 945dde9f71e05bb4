"""GCN-LSTM: graph convolutions over the skeleton of each frame, then a sequence model over the frames."""
