use super::Dataset;
use losses::Result;

/// 1,797 handwritten digits: 8 × 8 pictures, row by row, pixels from 0 to 16; the class is the digit.
///
/// ```
/// let digits = nn::data::digits()?;
/// assert_eq!((digits.len(), digits.num_features(), digits.num_classes()), (1797, 64, 10));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// None that a caller could meet: the table is part of the library, and a test loads it.
/// # Reference
/// Alpaydin and Kaynak 1998, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
/// doi:10.24432/C50P49.
pub fn digits() -> Result<Dataset> {
    Dataset::from_csv_text("digits.csv", include_str!("../../data/digits.csv"))
}

/// 150 irises, 50 of each kind (0 setosa, 1 versicolor, 2 virginica): length and width of sepals and petals in cm.
///
/// ```
/// let iris = nn::data::iris()?;
/// assert_eq!((iris.len(), iris.num_features(), iris.num_classes()), (150, 4, 3));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// None that a caller could meet: the table is part of the library, and a test loads it.
/// # Reference
/// Fisher 1936, *Iris*, UCI Machine Learning Repository, doi:10.24432/C56C76.
pub fn iris() -> Result<Dataset> {
    Dataset::from_csv_text("iris.csv", include_str!("../../data/iris.csv"))
}

/// 178 wines of three growers: 13 chemical measurements of each.
///
/// ```
/// let wine = nn::data::wine()?;
/// assert_eq!((wine.len(), wine.num_features(), wine.num_classes()), (178, 13, 3));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// None that a caller could meet: the table is part of the library, and a test loads it.
/// # Reference
/// Aeberhard and Forina 1992, *Wine*, UCI Machine Learning Repository, doi:10.24432/C5PC7J.
pub fn wine() -> Result<Dataset> {
    Dataset::from_csv_text("wine.csv", include_str!("../../data/wine.csv"))
}

/// 569 breast tumours (0 malignant, 1 benign): 30 measurements of the cell nuclei of each.
///
/// ```
/// let tumours = nn::data::breast_cancer()?;
/// assert_eq!((tumours.len(), tumours.num_features(), tumours.num_classes()), (569, 30, 2));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Errors
/// None that a caller could meet: the table is part of the library, and a test loads it.
/// # Reference
/// Wolberg et al. 1993, *Breast Cancer Wisconsin (Diagnostic)*, UCI Machine Learning Repository,
/// doi:10.24432/C5DW2B.
pub fn breast_cancer() -> Result<Dataset> {
    Dataset::from_csv_text(
        "breast_cancer.csv",
        include_str!("../../data/breast_cancer.csv"),
    )
}
